// What policies and maskers share between the contract and a class `Plugin`.

import { log as hostLog } from "weir:plugin/host-log@0.1.0";
import { Fault, logTo } from "./index.js";

logTo(hostLog);

// QuickJS has no console. What is printed may hold values, so it is for debugging only.
const print = (...all) => hostLog(1, all.map(String).join(" "));
globalThis.console ??= { log: print, debug: print, info: print, warn: print, error: print };

/** This instance's plugin, once it is configured. */
export const current = { plugin: undefined };

/** Exceptions become faults, told by their kind and place: their texts may hold values. */
export function guarded(call) {
    try {
        return call();
    } catch (error) {
        if (error instanceof Fault) {
            throw { code: error.code, message: error.message };
        }
        const place = /\(?([\w.$<> ]*:\d+(?::\d+)?)\)?/.exec(String(error?.stack ?? ""))?.[1] ?? "an unknown place";
        throw { code: "exception", message: `${error?.name ?? typeof error} at ${place}` };
    }
}

export const lifecycleOf = (Plugin) => ({
    describe: () => ({
        // A class that gives itself no name of its own has the language's.
        name: String(Plugin.pluginName ?? ""),
        version: String(Plugin.version ?? "0.1.0"),
        description: String(Plugin.description ?? ""),
        settingsSchema: Plugin.settingsSchema === undefined ? "" : JSON.stringify(Plugin.settingsSchema),
    }),
    configure(settings) {
        current.plugin = guarded(() => new Plugin(JSON.parse(settings)));
    },
});
