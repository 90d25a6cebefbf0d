"""What tests build on: strategies, fakes. Production never imports it."""
