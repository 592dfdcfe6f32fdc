-- What a ledger that balances by construction can still get wrong: figures beside it that disagree with it.
-- No row means that the books balance.

CREATE FUNCTION books() RETURNS TABLE (problem text, found bigint)
LANGUAGE sql STABLE AS $$
    WITH ledger AS (
        SELECT loan_id,
               sum(CASE WHEN debit = 'receivable' THEN amount WHEN credit = 'receivable' THEN -amount ELSE 0 END) AS owed
        FROM posting GROUP BY loan_id
    ), taken AS (
        SELECT loan_id, number, sum(amount) AS amount FROM posting WHERE number > 0 GROUP BY loan_id, number
    ), planned AS (
        SELECT loan_id, count(*) AS months, sum(principal) AS principal, sum(interest) AS interest
        FROM instalment GROUP BY loan_id
    ), counted (problem, found) AS (
        SELECT 'loans whose outstanding principal differs from the ledger', count(*)
            FROM loan AS l FULL JOIN ledger AS g ON g.loan_id = l.id WHERE l.outstanding IS DISTINCT FROM g.owed
        UNION ALL
        SELECT 'payments whose postings differ from them, or postings without a payment', count(*)
            FROM payment AS p FULL JOIN taken AS t USING (loan_id, number) WHERE p.amount IS DISTINCT FROM t.amount
        UNION ALL
        SELECT 'loans whose instalments do not add up to them', count(*)
            FROM loan AS l FULL JOIN planned AS s ON s.loan_id = l.id
            WHERE (l.months, l.principal, l.interest) IS DISTINCT FROM (s.months, s.principal, s.interest)
    )
    SELECT problem, found FROM counted WHERE found > 0
$$
