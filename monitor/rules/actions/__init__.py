"""The actions a rule can take: what they are (``kinds``), and how they are carried out (``effects``)."""
