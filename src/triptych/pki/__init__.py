"""Certificates: who may be an agent of which host, and who a controller.

`certificates` makes and reads them (pure), `folder` keeps them in files. Mutual TLS
(RFC 8446) with ECDSA over P-256, X.509 as RFC 5280 profiles it.
"""
