"""Published data sets: the 165 natural sounds, NH2015, B2021 and NH2015comp."""
