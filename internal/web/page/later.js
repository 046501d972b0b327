// What the first view does not need: dialogs, menus and emoji. It is a second file, which lazy.js loads once the page is idle.
import { LongPaste, Share } from "./dialogs.js";
import { Menu } from "./menu.js";
import { EmojiPicker, loadEmoji } from "./picker.js";
import { Jump, Search } from "./search.js";
import { Settings } from "./settings.js";

export { EmojiPicker, Jump, loadEmoji, LongPaste, Menu, Search, Settings, Share };
