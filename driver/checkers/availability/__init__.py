"""Which nodes answered while a fault was active, and the CAP label that follows."""
