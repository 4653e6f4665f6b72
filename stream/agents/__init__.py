"""The four agents, one role each: intake, interest, association, catalogue."""
