# The frame of every page.

layout-description = Resale tickets for concerts, sport, theatre and more, at all-in prices.
layout-skip = Skip to main content
layout-navigation = Main
layout-browse = Browse
layout-sell = Sell
layout-orders = My orders
layout-listings = My listings
layout-account = Account
layout-sign-in = Sign in
layout-sign-up = Sign up
layout-sign-out = Sign out
layout-footer = A marketplace where fans resell tickets. Prices are all-in: what you see is what you pay.
layout-about = About
layout-help = Help
layout-terms = Terms
layout-privacy = Privacy
layout-imprint = Imprint
