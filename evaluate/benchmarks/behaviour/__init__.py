"""What listeners recognise: trials with right answers, and how often listeners gave them in each condition."""
