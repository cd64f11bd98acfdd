# Notifications.

notification-title = Notifications
notification-description = News about your tickets and orders.
notification-none = No notifications yet. You’ll hear here about your sales and payments, holds that are about to end, and the tickets and shows you watch.
notification-mark-read = Mark all as read
notification-bell = Notifications
notification-bell-unread = Notifications, { $count } unread
notification-sold = Sold: { $title } for { $price }.
notification-sold-unpriced = Sold: { $title }.
notification-sold-seats = Sold: { $sold } of { $all } seats for { $title } for { $price }.
notification-sold-seats-unpriced = Sold: { $sold } of { $all } seats for { $title }.
notification-paid = { $count ->
    [one] Paid: { $title } is yours for { $price }. Order { $number }.
   *[other] Paid: { $count } seats for { $title } are yours for { $price }. Order { $number }.
}
notification-hold-ends = Your hold on { $title } is about to end. Pay now to keep it. Order { $number }.
notification-show-cancelled = Cancelled: { $title } will not take place. Your hold has ended.
notification-price-drop = Price drop: { $title } is now { $new }, was { $old }.
notification-available-again = Available again: { $title } for { $price }.
notification-show-listed = A ticket for { $title } at { $price } was listed.
notification-show-cheaper = A ticket for { $title } is cheaper now: { $price }, was { $old }.
notification-show-available = A ticket for { $title } at { $price } is available again.
