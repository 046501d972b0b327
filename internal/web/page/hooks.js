// Preact's hooks, for the parts in later.js. The first view does without them: they are 1.4 kB.
import { useEffect, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";

export { useEffect, useLayoutEffect, useRef, useState };
