// Preact's hooks, for what later.js has. What the page shows at first is made without them: they are 1.4 kB.
import { useEffect, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";

export { useEffect, useLayoutEffect, useRef, useState };
