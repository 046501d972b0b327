// What the first view does not need: dialogs, menus and emoji. It is a second file, which lazy.js loads once the page is idle.
import { ConfirmDelete, EditTime, RefusedChange, WritingBar } from "./changing.js";
import { LongPaste, Share } from "./dialogs.js";
import { Menu } from "./menu.js";
import { EmojiPicker, loadEmoji } from "./picker.js";
import { Jump, Search } from "./search.js";
import { Settings } from "./settings.js";

export { ConfirmDelete, EditTime, EmojiPicker, Jump, loadEmoji, LongPaste, Menu, RefusedChange, Search, Settings, Share, WritingBar };
