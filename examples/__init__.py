"""Walk-throughs: how an existing application takes its first payment. docs/adopting.md explains them."""
