"""The driver: workloads, client hosts, faults, histories, checkers, reports and the command line."""
