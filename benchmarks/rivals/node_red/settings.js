// SPDX-License-Identifier: EUPL-1.2
// Node-RED as in production: no editor, warnings only, the mapping as a module and not as text in a node.
"use strict";

const { readFileSync } = require("fs");
const mapping = require("./mapping.js");

module.exports = {
  uiHost: "127.0.0.1",
  uiPort: Number(process.env.RIVAL_PORT),
  httpAdminRoot: false,
  flowFile: `${__dirname}/flows.json`,
  readOnly: true,
  credentialSecret: false,
  diagnostics: { enabled: false, ui: false },
  telemetry: { enabled: false },
  logging: { console: { level: "warn", metrics: false, audit: false } },
  functionGlobalContext: { referral: mapping(JSON.parse(readFileSync(process.env.RIVAL_BOOKS, "utf8"))) },
};
