# SPDX-License-Identifier: EUPL-1.2
"""The FHIR interface under `/v1/fhir`: a recipient's own requests as Tasks, for ordinary FHIR clients.

It is described by its own CapabilityStatement (`/v1/fhir/metadata`) and not by OpenAPI: its paths, parameters and
errors are FHIR's.
"""
