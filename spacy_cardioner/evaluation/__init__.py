"""Score predictions against gold annotations."""
