module github.com/feedback-loop/feedback-loop

go 1.26
