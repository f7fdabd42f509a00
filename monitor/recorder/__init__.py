"""The recorder process: packets from the monitor's pipe into packets.pcapng and messages.sqlite."""
