// Port: what becomes of a delivery of Amazon SNS over HTTPS. Nothing of a delivery is believed before its signature was
// checked; nothing is fetched for a topic that is not listed.

/** A delivery after its check. `reason` is for the log and the sender, and holds no secret. */
export type SnsDelivery =
  | {
      readonly kind: 'notification';
      readonly topicArn: string;
      /** The same for every repetition of the message. */
      readonly deliveryId: string;
      /** The envelope without what nobody needs to keep: its signature and the address that ends the subscription. */
      readonly document: unknown;
    }
  /** The subscription that it asks about is confirmed now. */
  | { readonly kind: 'confirmed'; readonly topicArn: string }
  /** Somebody ended the subscription. Nothing was done about it. */
  | { readonly kind: 'unsubscribed'; readonly topicArn: string }
  /** The topic is not one that this service listens to. */
  | { readonly kind: 'stranger'; readonly topicArn: string }
  /** It is no message of SNS. */
  | { readonly kind: 'malformed'; readonly reason: string }
  /** It is not what it says, or too old; the same again will be refused again. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** What the check or the confirmation needs cannot be had now: the sender should come again. */
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface SnsIntake {
  /** True where the topic is listed. */
  listensTo(topicArn: string): boolean;
  /** Checks a parsed body and confirms a subscription where it asks for it. Throws nothing. */
  receive(document: unknown): Promise<SnsDelivery>;
}
