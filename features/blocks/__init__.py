"""Feature blocks: what is known of a request and a candidate together, each fitted on some rows and blind to others."""
