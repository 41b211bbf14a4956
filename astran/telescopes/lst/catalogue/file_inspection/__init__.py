"""What files hold: opened beside the tick, remembered for the site."""
