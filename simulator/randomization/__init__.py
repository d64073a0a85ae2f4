"""Domain randomization: the prior of the joint angles and the variety of everything else, and the
hidden variables drawn from them."""
