# Reads Mosquitto's log: passes on what is for people, and tells of what devices were refused, at most every ten seconds, in lines of
# name, what and how often ("-": nobody's account). `tell` is the command that brings them to the bridges; it must return at once, since
# the broker waits for whoever reads its log. Which refusals stand in the log is said in docs/operations.md.
function refused(name, what, times) {
    if (name !~ /^[A-Za-z0-9_.-]+$/) name = "-"
    counted[name " " what] += times
    waiting = 1
}
function told(    key, text) {
    for (key in counted) text = text key " " counted[key] "\n"
    split("", counted)
    waiting = 0
    printf "%s", text | tell
    close(tell)
}
{
    at = substr($1, 1, length($1) - 1) + 0
    line = substr($0, length($1) + 2)
}
line ~ /^Denied PUBLISH from / { refused($5, "publish", 1) }
# What was asked for, and what of it was granted, stands between these two; nobody else's lines do.
line ~ /^Received (UN)?SUBSCRIBE from / { asker = $3 == "SUBSCRIBE" ? $5 : ""; asked = granted = 0 }
line ~ /^\t/ { asked++ }
asker != "" && NF == 4 && $2 == asker && $3 ~ /^[0-2]$/ { granted++; next }
line ~ /^Sending SUBACK to / {
    if (asker != "" && asked > granted) refused(asker, "subscribe", asked - granted)
    asker = ""
}
# 2.1 says where from, and puts a colon before the reason.
line ~ /^Client .* disconnected[,:] not authori[sz]ed/ { refused($3, "login", 1) }
line ~ /^Client .* disconnected( due to|:) oversize packet/ { refused($3, "too_large", 1) }
line ~ /^Client .* disconnected( due to|:) (malformed packet|protocol error)/ { refused($3, "malformed", 1) }
waiting && at - told_at >= 10 { told(); told_at = at }
line ~ /^(Received|Sending|Denied|No will|Will message|\t)/ { next }
NF == 4 && $3 ~ /^[0-2]$/ { next }
{ print; fflush() }
