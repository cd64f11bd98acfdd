# Texts that scripts show.

script-new-price = The price is now { $price }.
