"""Published weights of networks, and the places of their tensors in ours."""
