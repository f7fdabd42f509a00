"""Our scenarios, one file each; what is known of the bugs is in their systems' issues and changelogs."""
