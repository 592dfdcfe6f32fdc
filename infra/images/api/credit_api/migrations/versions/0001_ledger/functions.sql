-- One function a request, so that each costs one round trip and is one transaction.
-- SQLSTATEs of class CR are refusals; the service knows their wording.

CREATE FUNCTION open_account(holder text, city text, phone text) RETURNS account
LANGUAGE sql AS $$
    INSERT INTO account (holder, city, phone) VALUES (holder, city, phone) RETURNING *
$$


-- Equal instalments; the last takes what does not divide.
CREATE FUNCTION schedule(principal bigint, interest bigint, months integer, granted_on date)
RETURNS TABLE (number integer, due_on date, part bigint, interest_part bigint)
LANGUAGE sql IMMUTABLE AS $$
    SELECT n,
           (granted_on + make_interval(months => n))::date,
           principal / months + CASE WHEN n = months THEN principal % months ELSE 0 END,
           interest / months + CASE WHEN n = months THEN interest % months ELSE 0 END
    FROM generate_series(1, months) AS n
$$


CREATE FUNCTION grant_loan(account bigint, product text, principal bigint, months integer) RETURNS loan
LANGUAGE plpgsql AS $$
DECLARE
    terms product;
    granted loan;
BEGIN
    SELECT * INTO terms FROM product AS p
        WHERE p.code = grant_loan.product
        AND grant_loan.principal BETWEEN p.least AND p.most AND grant_loan.months BETWEEN 1 AND p.longest_months;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'CR423', MESSAGE = 'not on offer';
    END IF;
    INSERT INTO loan (account_id, product, principal, interest, months, outstanding)
        VALUES (account, terms.code, grant_loan.principal,
                grant_loan.principal * terms.monthly_basis_points / 10000 * grant_loan.months,
                grant_loan.months, grant_loan.principal)
        RETURNING * INTO granted;
    INSERT INTO instalment
        SELECT granted.id, s.* FROM schedule(granted.principal, granted.interest, granted.months, granted.granted_on) AS s;
    INSERT INTO posting (loan_id, number, debit, credit, amount)
        VALUES (granted.id, 0, 'receivable', 'cash', granted.principal);
    RETURN granted;
END $$


CREATE FUNCTION pay(key text, loan bigint, instalment integer, amount bigint) RETURNS payment
LANGUAGE plpgsql AS $$
DECLARE
    due instalment;
    paid payment;
BEGIN
    INSERT INTO payment (key, loan_id, number, amount)
        VALUES (pay.key, pay.loan, pay.instalment, pay.amount)
        -- Whichever of the two is met first: of two attempts with one key at the same moment, either may be.
        ON CONFLICT DO NOTHING
        RETURNING * INTO paid;
    IF NOT FOUND THEN
        -- The key is known. FOR UPDATE writes, so this transaction too waits for the other site: a payment whose own
        -- wait was cut short is not confirmed before both sites have it.
        SELECT * INTO paid FROM payment AS p WHERE p.key = pay.key FOR UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'unique_violation', MESSAGE = 'the instalment is paid under another key';
        END IF;
        IF (paid.loan_id, paid.number, paid.amount) IS DISTINCT FROM (pay.loan, pay.instalment, pay.amount) THEN
            RAISE EXCEPTION USING ERRCODE = 'CR409', MESSAGE = 'the key paid something else';
        END IF;
        RETURN paid;
    END IF;
    SELECT * INTO STRICT due FROM instalment AS i WHERE i.loan_id = pay.loan AND i.number = pay.instalment;
    IF due.principal + due.interest <> pay.amount THEN
        RAISE EXCEPTION USING ERRCODE = 'CR422', MESSAGE = 'not the amount of the instalment';
    END IF;
    UPDATE loan AS l SET outstanding = l.outstanding - due.principal WHERE l.id = pay.loan;
    INSERT INTO posting (loan_id, number, debit, credit, amount)
        SELECT pay.loan, pay.instalment, 'cash', v.credit::ledger_account, v.amount
        FROM (VALUES ('receivable', due.principal), ('interest', due.interest)) AS v (credit, amount)
        WHERE v.amount > 0;
    RETURN paid;
END $$


CREATE FUNCTION balance(account bigint)
RETURNS TABLE (id bigint, holder text, loans bigint, outstanding bigint, next_due_on date)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
        SELECT a.id, a.holder, count(l.id), coalesce(sum(l.outstanding), 0)::bigint,
               (SELECT min(i.due_on) FROM loan AS m JOIN instalment AS i ON i.loan_id = m.id
                WHERE m.account_id = a.id
                AND NOT EXISTS (SELECT FROM payment AS p WHERE p.loan_id = i.loan_id AND p.number = i.number))
        FROM account AS a LEFT JOIN loan AS l ON l.account_id = a.id
        WHERE a.id = balance.account GROUP BY a.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'CR404', MESSAGE = 'no such account';
    END IF;
END $$
