# SPDX-License-Identifier: EUPL-1.2
"""How fast the hub is, beside what limits it and what one would use instead: one module per scenario."""
