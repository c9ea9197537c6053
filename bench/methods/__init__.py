"""Every method on every data set: how well it finds, what it costs, how much it bears."""
