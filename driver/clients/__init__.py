"""Client hosts: processes in network namespaces of their own, with client threads inside.

The driver's side is ``fleet.ClientFleet``; ``python -m raftmon.driver.clients CONFIG.json`` is the process.
"""
