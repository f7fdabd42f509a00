"""A run while it is on: ``view`` puts together what its monitor and its record say, ``screen`` draws it."""
