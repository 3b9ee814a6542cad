// The entry of the web app.

import { render } from "preact";
import { App } from "./app";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/controls.css";
import "./styles/dashboard.css";
import "./styles/imports.css";

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
