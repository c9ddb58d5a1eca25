"""Small environments with continuous actions and exactly known answers."""
