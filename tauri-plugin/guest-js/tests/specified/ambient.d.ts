// The names that the usage example leaves to the app.

declare const myData: unknown;
declare const lastKnownCursor: number;
declare function showQRCode(dataUrl: string): void;
declare function mergeIntoLocalDb(data: unknown): Promise<void>;
