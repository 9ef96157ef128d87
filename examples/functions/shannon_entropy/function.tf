# 2 bits per character: four characters, each as frequent as the others.
output "varied" {
  value = provider::roi::shannon_entropy("abcd")
}

# 4 bits per character, and yet the first thing that anyone would try.
output "guessable" {
  value = provider::roi::shannon_entropy("abcdefghijklmnop")
}
