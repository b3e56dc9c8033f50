"""The contracts for machines: `docs/openapi.json` and `docs/asyncapi.json`.

`documents` reads them, `conformance` checks answers and records, `breaks` compares two versions
(`make contracts-diff`), and `fuzzing` sends requests that are made from them (`make fuzz-openapi`).
"""
