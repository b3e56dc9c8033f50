"""Walk-throughs: how an existing application takes its first payment. docs/adopting.md explains them."""

import local  # noqa: F401, which makes the functions' shared code importable
