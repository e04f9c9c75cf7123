raise "no start"
