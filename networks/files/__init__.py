"""Files of users: read strictly, called what they are, written once."""
