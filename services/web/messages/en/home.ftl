# The home page.

home-title = Tickets for sale
home-heading = Tickets from people who can’t go
home-categories = Browse by category
home-dates = Browse by date
home-coming-up = Coming up
home-just-added = Just added
home-price-drops = Price drops
home-see-all = See all
