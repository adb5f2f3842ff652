# SPDX-License-Identifier: EUPL-1.2
"""Ways in beside HTTP: a folder in which a source drops files. The HTTP door itself is the api's."""
