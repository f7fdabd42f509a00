"""The NFQUEUE loop: takes packets from the kernel, has them evaluated, and gives verdicts or holds copies."""
