// What the first view does not need: dialogs, menus and emoji. It is a second file, which lazy.js loads once the page is idle.
import { ConfirmDelete, EditTime, RefusedChange, settledText, WritingBar } from "./changing.js";
import { LongPaste, Share } from "./dialogs.js";
import { Menu } from "./menu.js";
import { ActionBar, actionsFor } from "./messagemenu.js";
import "./moreicons.js";
import { notify, replaceNotification } from "./notifications.js";
import { EmojiPicker, loadEmoji } from "./picker.js";
import { Jump, Search } from "./search.js";
import { Settings } from "./settings.js";

export { ActionBar, actionsFor, ConfirmDelete, EditTime, EmojiPicker, Jump, loadEmoji, LongPaste, Menu, notify, RefusedChange, replaceNotification, Search, Settings, settledText, Share, WritingBar };
