"""What a record means and who may do what with it: pure values and functions, without any of our other packages."""
