# The page without a network.

offline-title = You are offline
offline-description = There is no internet connection.
offline-text = This page couldn’t be loaded. Tickets you have bought are safe. If you are holding tickets, the countdown keeps running, so reconnect in time to pay.
offline-retry = Try again
offline-kept = Passes saved on this device
offline-kept-past = Passes of past shows
