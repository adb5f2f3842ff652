# SPDX-License-Identifier: EUPL-1.2
"""What the hub is compared with: small honest programs, each with its own recommended settings."""
