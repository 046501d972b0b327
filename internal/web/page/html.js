// What all components are made with. Preact turns strings into text nodes; no code of the page makes HTML from them.
import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { Component, h, render } from "./vendor/preact.js";
export { useEffect, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";
export const html = htm.bind(h);
