// What moderators use: the drawer, the card of a person, and the preview of an erasure. It is a file of its own, which
// moderators.js loads, with its texts and its styles (moderation.css).
import { Did } from "./actionwords.js";
import { Drawer } from "./drawer.js";
import { ErasePreview } from "./erasure.js";
import { addTexts } from "./i18n.js";
import enModeration from "./lang/en-moderation.js";
import { PersonCard } from "./personcard.js";
import { Raid } from "./raid.js";
import { UndoPerson } from "./undoperson.js";

addTexts(enModeration);

export { Did, Drawer, ErasePreview, PersonCard, Raid, UndoPerson };
