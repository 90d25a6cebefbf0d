"""The southbound protocol: generated messages (`generated`), the values they stand for, and the one converter."""
