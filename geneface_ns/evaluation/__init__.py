"""How good a trained head is: metrics and the evaluate command."""
