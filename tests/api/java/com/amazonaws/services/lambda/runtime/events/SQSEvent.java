package com.amazonaws.services.lambda.runtime.events;

import java.util.Date;
import java.util.List;

/** Of the form of AWS's event classes: capitals that beans do not have, times in seconds. */
public class SQSEvent {
    private List<Message> records;

    public List<Message> getRecords() {
        return records;
    }

    public void setRecords(List<Message> records) {
        this.records = records;
    }

    public static class Message {
        private String eventSourceArn;
        private Date sent;

        public String getEventSourceArn() {
            return eventSourceArn;
        }

        public void setEventSourceArn(String eventSourceArn) {
            this.eventSourceArn = eventSourceArn;
        }

        public Date getSent() {
            return sent;
        }

        public void setSent(Date sent) {
            this.sent = sent;
        }
    }
}
