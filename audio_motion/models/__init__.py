"""Networks of the speech -> motion half, and their parts."""
